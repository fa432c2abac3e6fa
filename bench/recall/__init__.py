"""How well recall finds the evidence of questions that others wrote, beside plain baselines."""
