"""What a model knows: scores, answers, labels, surprise, copies. Changes no model."""
