"""Who is a candidate: the universe, its coins, canaries, subsets and near-copies."""
