"""A few fixed public sentences of the field, written for this project: no report, no dataset."""

PUBLIC_SENTENCES = (
    "The heart is normal in size and the lungs are clear.",
    "There is a small left pleural effusion with adjacent atelectasis, new since the prior study.",
    "No pneumothorax. Stable cardiomegaly. A catheter ends in the superior vena cava.",
)
