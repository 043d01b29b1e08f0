"""What a model knows: answers, labels, surprise, copies. Changes no model."""
