"""A deliberately naive tick-by-tick simulator, written from the rules, to check the engine."""
