"""What other hosts say of mail that they do not take."""
