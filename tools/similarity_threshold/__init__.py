"""Which similarity makes a near-copy: chosen on near-copies planted into public reports."""
