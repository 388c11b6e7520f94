"""What the commands do: the work behind ``flows.commands``, and what a terminal shows."""
