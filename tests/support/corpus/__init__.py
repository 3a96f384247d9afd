"""Foreign bytes: images made to harm, each with the refusal that it must meet, and images that must pass."""
