"""The two sides of the wall: the judge, which knows what is right, and the player, which runs what learners wrote."""
