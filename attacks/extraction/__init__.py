"""What leaks beside membership: secrets that can be ranked, labels and words that can be inferred.

exposure.py ranks a canary's secret, attribute.py infers a withheld label, fill_mask.py fills masked
words with a language-model head on the fine-tuned encoder; evaluation/extraction_summary.py
compares members with others.
"""
