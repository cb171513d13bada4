"""What shares a model, what is done already, the tasks and the rows that they give."""
