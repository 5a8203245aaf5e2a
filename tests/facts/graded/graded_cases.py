"""Pairs of a reference and a report with one thing wrong, written for this project by category."""

WRONG_LOCATION = [
    ("Small left pleural effusion.", "Small right pleural effusion."),
    ("Left lower lobe consolidation.", "Right lower lobe consolidation."),
    ("Right apical pneumothorax.", "Left apical pneumothorax."),
    ("There is a nodule in the right upper lobe.", "There is a nodule in the left upper lobe."),
    ("Opacity in the left lung base.", "Opacity in the right lung base."),
    ("Right upper lobe pneumonia.", "Right lower lobe pneumonia."),
    ("Left basilar atelectasis.", "Left apical atelectasis."),
    ("Consolidation in the right middle lobe.", "Consolidation in the right upper lobe."),
    ("Right perihilar opacity.", "Right peripheral opacity."),
    ("Mass in the left suprahilar region.", "Mass in the left infrahilar region."),
    ("Bilateral pleural effusions.", "Left pleural effusion."),
    ("Left pleural effusion.", "Bilateral pleural effusions."),
    ("Right rib fracture.", "Left rib fracture."),
    ("Fracture of the left clavicle.", "Fracture of the left rib."),
    ("Right internal jugular central venous catheter with tip in the SVC.", "Left internal jugular central venous catheter with tip in the SVC."),
    ("Elevated right hemidiaphragm.", "Elevated left hemidiaphragm."),
    ("Right chest tube in place.", "Left chest tube in place."),
    ("The left lung base shows airspace disease.", "The right lung base shows airspace disease."),
    ("Left-sided pneumothorax, unchanged.", "Right-sided pneumothorax, unchanged."),
    ("Patchy opacities in both upper lobes.", "Patchy opacities in both lower lobes."),
    ("RLL infiltrate.", "LLL infiltrate."),
    ("Mass in the left lung apex.", "Mass in the left lung base."),
]  # fmt: skip

WRONG_SEVERITY = [
    ("Small left pleural effusion.", "Large left pleural effusion."),
    ("Tiny right apical pneumothorax.", "Large right apical pneumothorax."),
    ("Mild cardiomegaly.", "Severe cardiomegaly."),
    ("The heart is mildly enlarged.", "The heart is markedly enlarged."),
    ("Moderate right pleural effusion.", "Trace right pleural effusion."),
    ("Mild pulmonary edema.", "Severe pulmonary edema."),
    ("A 1.2 cm nodule in the right upper lobe.", "A 2.5 cm nodule in the right upper lobe."),
    ("Left lower lobe nodule measuring 8 mm.", "Left lower lobe nodule measuring 1.5 cm."),
    ("A 4 x 3 cm mass in the left upper lobe.", "A 6 x 5 cm mass in the left upper lobe."),
    ("Large left pleural effusion.", "Small left pleural effusion."),
    ("Mild thoracic scoliosis.", "Severe thoracic scoliosis."),
    ("Endotracheal tube tip is 3 cm above the carina.", "Endotracheal tube tip is 5.5 cm above the carina."),
    ("Moderate cardiomegaly.", "Mild cardiomegaly."),
    ("Severe emphysema.", "Mild emphysema."),
]  # fmt: skip

WRONG_CHANGE = [
    ("Left pleural effusion has decreased.", "Left pleural effusion has increased."),
    ("Unchanged cardiomegaly.", "Worsening cardiomegaly."),
    ("Improved right lower lobe pneumonia.", "Worsening right lower lobe pneumonia."),
    ("Stable right pneumothorax.", "Enlarging right pneumothorax."),
    ("Left pleural effusion is unchanged.", "New left pleural effusion."),
    ("Right basilar opacity has increased since the prior study.", "Right basilar opacity is stable since the prior study."),
    ("Pulmonary edema is worse compared with yesterday.", "Pulmonary edema has improved."),
    ("Left lower lobe consolidation.", "New left lower lobe consolidation."),
    ("Right pleural effusion.", "Right pleural effusion has increased in size."),
    ("Mild pulmonary edema.", "Improving mild pulmonary edema."),
    ("Lung nodule in the right upper lobe.", "Lung nodule in the right upper lobe has grown."),
    ("Persistent left effusion.", "New left effusion."),
    ("Cardiomegaly.", "Stable cardiomegaly."),
]  # fmt: skip

WRONG_POSITION = [
    ("Endotracheal tube tip is 4 cm above the carina.", "Endotracheal tube tip is in the right mainstem bronchus."),
    ("Endotracheal tube in the right main bronchus.", "Endotracheal tube in appropriate position."),
    ("ET tube tip 1 cm above the carina.", "ET tube tip 5 cm above the carina."),
    ("Endotracheal tube tip is 9 cm above the carina.", "Endotracheal tube tip is 4 cm above the carina."),
    ("Right IJ catheter with tip in the SVC.", "Right IJ catheter with tip in the right atrium."),
    ("Right PICC tip in the right atrium. Recommend withdrawing 3 cm.", "Right PICC tip in the lower SVC."),
    ("Enteric tube tip in the stomach.", "Enteric tube tip in the distal esophagus."),
    ("Nasogastric tube is coiled in the esophagus.", "Nasogastric tube tip is in the stomach."),
    ("Feeding tube courses into the right lower lobe bronchus.", "Feeding tube courses below the diaphragm."),
    ("The endotracheal tube is too low.", "The endotracheal tube is well positioned."),
    ("The left subclavian line is malpositioned.", "The left subclavian line is in good position."),
    ("Endotracheal tube at the carina.", "Endotracheal tube in satisfactory position."),
    ("Right IJ line tip in the azygos vein.", "Right IJ line tip at the cavoatrial junction."),
]  # fmt: skip

FALSE_FINDING = [
    ("The lungs are clear.", "Left pleural effusion."),
    ("Cardiomegaly.", "Cardiomegaly. Right pneumothorax."),
    ("No acute cardiopulmonary abnormality.", "Free air under the diaphragm."),
    ("Normal heart size.", "Mild cardiomegaly."),
    ("No pneumothorax.", "Small left pneumothorax."),
    ("Left effusion.", "Left effusion. PICC line in place."),
    ("Emphysema.", "Emphysema. Hiatal hernia."),
    ("The lungs are clear.", "There is mediastinal shift to the left."),
]

MISSED_FINDING = [
    ("Cardiomegaly. Right pneumothorax.", "Cardiomegaly."),
    ("Hiatal hernia. Scoliosis.", "Hiatal hernia."),
    ("Free air under the diaphragm.", "The heart size is normal."),
    ("Left upper lobe mass. Small left effusion.", "Small left effusion."),
    ("Emphysema. Right rib fracture.", "Emphysema."),
    ("Subcutaneous emphysema and pneumomediastinum.", "Subcutaneous emphysema."),
]

CONTRADICTION = [
    ("Left pleural effusion.", "No pleural effusion."),
    ("Cardiomegaly.", "The heart is normal in size."),
    ("Right pneumothorax.", "There is no pneumothorax."),
    ("Pneumoperitoneum.", "No free air under the diaphragm."),
    ("Left pneumothorax.", "Left pneumothorax. No pneumothorax."),
]

OVERCALLED = [
    ("Possible right lower lobe pneumonia.", "Right lower lobe pneumonia."),
    ("Left basilar opacity may represent pneumonia.", "Left basilar pneumonia."),
    ("Questionable small left pneumothorax.", "Small left pneumothorax."),
    ("Cannot exclude a small right effusion.", "Small right effusion."),
    ("Left basilar opacity.", "Left basilar opacity consistent with pneumonia."),
    ("Borderline heart size.", "Cardiomegaly."),
]

BY_CATEGORY = {
    "wrong location": WRONG_LOCATION,
    "wrong severity or size": WRONG_SEVERITY,
    "wrong or unknowable change": WRONG_CHANGE,
    "wrong device position": WRONG_POSITION,
    "false finding": FALSE_FINDING,
    "missed finding": MISSED_FINDING,
    "contradiction": CONTRADICTION,
    "overcalled certainty": OVERCALLED,
}

PARAPHRASES = [
    ("Cardiomegaly.", "The cardiac silhouette is enlarged."),
    ("The heart is mildly enlarged.", "Mild cardiomegaly."),
    ("Small left pleural effusion.", "There is a small amount of left pleural fluid."),
    ("No acute cardiopulmonary abnormality.", "Lungs are clear. Heart size is normal. No effusion or pneumothorax."),
    ("Right lower lobe consolidation.", "Consolidation is seen in the right lower lobe."),
    ("Left basilar atelectasis.", "Atelectasis at the left lung base."),
    ("ET tube tip 4 cm above the carina.", "The endotracheal tube terminates 4 cm above the carina."),
    ("NG tube in the stomach.", "A nasogastric tube ends in the stomach."),
    ("Bilateral pleural effusions, left greater than right.", "There are pleural effusions on both sides, larger on the left."),
    ("Left effusion and left lower lobe atelectasis.", "Left lower lobe atelectasis. Left pleural effusion."),
    ("Stable cardiomegaly.", "Cardiac enlargement, unchanged."),
    ("Decreased left pleural effusion.", "Interval decrease in left pleural effusion."),
    ("Pneumoperitoneum.", "Free intraperitoneal air is present."),
    ("Hyperinflated lungs.", "The lungs are hyperexpanded."),
    ("Low lung volumes.", "Lung volumes are low."),
    ("Tortuous aorta.", "Tortuosity of the thoracic aorta."),
    ("Calcified granuloma in the right upper lobe.", "Right upper lobe calcified granuloma."),
    ("1.5 cm nodule in the left lower lobe.", "Left lower lobe nodule measuring 15 mm."),
    ("Right IJ line with tip in the mid SVC.", "Right internal jugular central venous catheter terminates in the mid superior vena cava."),
    ("Elevation of the right hemidiaphragm.", "The right hemidiaphragm is elevated."),
    ("Old right rib fractures.", "Chronic fractures of the right ribs."),
    ("Pulmonary vascular congestion.", "The pulmonary vasculature is congested."),
]  # fmt: skip
