"""Rule packs: what TensorFlow, its layers and its users called variables, and when."""
