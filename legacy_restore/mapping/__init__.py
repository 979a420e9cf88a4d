"""From names to names: rules, waivers and what a key stands for; pure data."""
