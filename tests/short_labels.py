"""Short names of the labels, for tables of texts with what each says."""

NF, EC, CM = "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly"
LL, LO, ED, CO = "Lung Lesion", "Lung Opacity", "Edema", "Consolidation"
PN, AT, PT = "Pneumonia", "Atelectasis", "Pneumothorax"
EF, FX, SD = "Pleural Effusion", "Fracture", "Support Devices"
