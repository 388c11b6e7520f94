"""What is kept: rows, journals, the database made from them, and what asks it."""
