"""The command `radpriv`: a thin shell over the workflow, with one module per verb."""
