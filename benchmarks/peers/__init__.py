"""Other mappers, a file each, so that one that cannot be imported spares the rest."""
