"""What other people's agents may do here: evaluate, compare and look up, within limits."""
