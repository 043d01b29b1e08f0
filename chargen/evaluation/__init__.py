"""What a model gets right: answers, labels, surprisal, copies. Changes no weights."""
