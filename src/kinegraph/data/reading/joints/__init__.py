"""Names and places of joints, layouts that follow from them, and lists of detected people."""
