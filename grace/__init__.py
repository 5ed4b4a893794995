"""Grace runs psycholinguistic experiments on language models, with exact probabilities.

    import grace

    grace.score("smollm2-135m", ["Is the sky blue?"], ["yes", "no"])
    run = grace.run_study("study=1", "exp=2", "model=smollm2-135m", "pilot=10")
    run.trials, run.responses, run.matrices, run.manifest
    grace.compare_runs(run)["r"]["value"]
    grace.rsa.listener("one", 2)
    grace.figures.bets(grace.figures.view(run))

The names load when first used, so that importing the package is quick.
"""

import grace.config  # noqa: F401, I001  (looks for the libraries that Grace cannot do without)
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
