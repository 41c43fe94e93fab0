"""The training stream: clips drawn from datasets, decoded, augmented, made into triplets."""
