"""What runs inside a cell: the trusted simulator process and the sealed policy workers."""
