"""Studies, tables, manifests, images and the phantom."""
