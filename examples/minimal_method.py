"""A whole method. Copy this file, change `fit`, then:

radpriv run openi --method my_method.py --data DATA     # accuracy, leakage, report
radpriv check my_method.py                              # does its claim hold?
"""

from dataclasses import dataclass

import torch

from radpriv.api import HashedWords, LinearFitted, LinearModel, Method, apply, clipped_sum, methods


@methods.register("minimal_method")  # your method's name in suites and tables
@dataclass(frozen=True)
class MinimalMethod(Method):
    """DP-SGD on hashed words (Abadi et al. 2016, 1607.00133)."""

    # Parameters, with defaults. They are part of a result's id; a suite sets them by `params`.
    rate: float = 0.2  # probability with which a report is in a step
    steps: int = 20
    max_norm: float = 0.05  # the most that one report may add to a sum, as an L2 norm
    lr: float = 0.5

    private = True  # it is run at finite ε; without a claim, say False
    uses_encoder = False  # True: `encoder` below is a pretrained model

    def fit(self, train, encoder, budget, run):
        # `train` shows no report. `map` applies your function to each text alone.
        words = HashedWords(size=256, ngrams=1, binary=True)
        records = train.map("words", words)

        # Any torch module with `losses(records)`, one loss per record, will do for a model.
        model = LinearModel(256, len(train.labels), scale=1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=self.lr)

        # The budget becomes noise. Each step draws its records; what leaves it must go through
        # `gaussian`, which writes the ledger from which ε is computed afterwards.
        sigma = run.calibrate(self.rate, self.steps)
        for step in run.poisson(records, self.rate, self.steps, state=(model, optimizer)):
            total = clipped_sum(model, step.records, self.max_norm)
            noised = step.gaussian("gradient", total, sigma)
            # Divide by the expected batch, a constant: how many were drawn is private.
            apply(model, optimizer, noised / step.expected_batch)

        # What comes back predicts. Another kind of model: subclass radpriv.api.Fitted.
        weight, bias = model.head.weight.detach().numpy().T, model.head.bias.detach().numpy()
        return LinearFitted(train.labels, words, weight, bias, words.spec)
