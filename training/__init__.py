"""The recipes that made `assets/models`, one readable file each, and the evaluations that grade them."""
