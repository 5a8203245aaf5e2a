"""Rankings that a radiologist would make, by category: the first report is the better one.

Written for this project. A row: reference, better report, worse report, and what the study gives
besides (age, indication).
"""

from typing import NamedTuple


class Ranking(NamedTuple):
    reference: str
    better: str
    worse: str
    age: object = None
    indication: str | None = None


NORMAL = "The lungs are clear. Heart size is normal. No pleural effusion or pneumothorax."

RANKINGS = {
    "false findings": [
        Ranking(NORMAL, NORMAL, "Left lower lobe pneumonia."),
        Ranking(NORMAL, "Mild degenerative changes of the spine.", "Large right pneumothorax."),
        Ranking("No pneumothorax, effusion, edema or pneumonia.", "Pneumothorax.", "Pneumothorax. Effusion. Edema. Pneumonia."),
        Ranking("Small left pleural effusion.", "Small left pleural effusion.", "Small left pleural effusion. Right upper lobe mass."),
        Ranking("Small left pleural effusion.", "Small left pleural effusion. Calcified granuloma.", "Small left pleural effusion. Right pneumothorax."),
        Ranking("Cardiomegaly.", "Cardiomegaly. Possible small left effusion.", "Cardiomegaly. Small left effusion."),
        Ranking("Cardiomegaly.", NORMAL, "Right pneumothorax. Left lower lobe pneumonia. Rib fracture."),
        Ranking(NORMAL, NORMAL + " PICC line in place.", NORMAL + " Free air under the diaphragm."),
    ],
    "patient context": [
        Ranking("Metallic foreign body over the upper esophagus.", "Coin in the upper esophagus.", NORMAL, "002Y", "Swallowed a coin"),
        Ranking("Aortic calcification. Small left effusion.", "Small left effusion.", "Aortic calcification.", age=80),
        Ranking("Degenerative changes of the spine. Right lower lobe nodule.", "Right lower lobe nodule.", "Degenerative changes of the spine.", age="078Y"),
        Ranking("Calcified aorta. Calcified granuloma.", "Calcified aorta.", "Calcified granuloma.", age=25),
        Ranking(NORMAL, "Degenerative changes of the spine.", "Hiatal hernia.", age=82),
        Ranking("Small right apical pneumothorax. Moderate left pleural effusion.", "Small right apical pneumothorax.", "Moderate left pleural effusion.", indication="Status post right thoracentesis, evaluate for pneumothorax"),
        Ranking("Right PICC tip in the right atrium. Left lower lobe opacity.", "Right PICC tip in the right atrium.", "Left lower lobe opacity.", indication="PICC line placement"),
        Ranking("Left rib fracture. Mild cardiomegaly.", "Left rib fracture.", "Mild cardiomegaly.", indication="Fall from ladder, rib pain"),
        Ranking("Right basilar opacity. Left rib fracture.", "Right basilar opacity.", "Left rib fracture.", indication="Fever and cough"),
        Ranking("INDICATION: 84-year-old with dyspnea. FINDINGS: Tortuous calcified aorta. Pulmonary edema.", "Pulmonary edema.", "Tortuous calcified aorta."),
        Ranking("NG tube in the stomach. Small left effusion.", "NG tube in the stomach.", "Small left effusion.", indication="NG tube placement"),
    ],
    "normal findings": [
        Ranking(NORMAL, "Normal chest.", "Cardiomegaly."),
        Ranking("Left effusion. No pneumothorax. The heart is normal. Bones are intact.", "Left effusion.", "No pneumothorax. The heart is normal. Bones are intact."),
        Ranking("Left effusion.", "Left effusion. The heart is normal. No pneumothorax. Bones are intact.", "Left effusion. The heart is enlarged. No pneumothorax. Bones are intact."),
        Ranking("No acute cardiopulmonary abnormality.", NORMAL, NORMAL + " Mild pulmonary edema."),
        Ranking("Heart size is normal. Mediastinal contours are normal. Right lung is clear. Left basilar atelectasis.", "Left basilar atelectasis.", "Heart size is normal. Mediastinal contours are normal. Right lung is clear."),
        Ranking(NORMAL, "The heart is at the upper limits of normal.", "The heart is enlarged."),
    ],
    "paraphrase": [
        Ranking("There is a small left pleural effusion.", "Small amount of fluid in the left pleural space.", "There is no left pleural effusion."),
        Ranking("The heart is enlarged.", "Cardiomegaly.", "The heart is not enlarged."),
        Ranking("No evidence of pneumothorax is seen.", "Negative for pneumothorax.", "Evidence of pneumothorax is seen."),
        Ranking("Opacity in the right lower lobe is consistent with pneumonia.", "RLL pneumonia.", "Opacity in the left lower lobe is consistent with pneumonia."),
        Ranking("Endotracheal tube terminates 4 cm above the carina.", "ETT tip is 40 mm above the carina.", "Endotracheal tube terminates 1 cm above the carina."),
        Ranking("The lungs are hyperinflated with flattened diaphragms.", "Hyperexpansion with flattening of the hemidiaphragms.", "The lungs are hypoinflated."),
        Ranking("Interval decrease in the left pleural effusion.", "Left effusion is smaller than on the prior study.", "Interval increase in the left pleural effusion."),
    ],
    "location": [
        Ranking("Opacities sparing the left apex.", "Bilateral opacities in the mid and lower lungs.", "Normal lungs."),
        Ranking("Right lower lobe pneumonia.", "Right lower lobe pneumonia.", "Left lower lobe pneumonia."),
        Ranking("Right lower lobe pneumonia.", "Right upper lobe pneumonia.", "Left upper lobe pneumonia."),
        Ranking("Right lower lobe pneumonia.", "Pneumonia at the right lung base.", "Pneumonia at the right lung apex."),
        Ranking("Right lower lobe pneumonia.", "Right lower lobe pneumonia.", "Pneumonia."),
        Ranking("Right lower lobe pneumonia.", "Pneumonia.", "Left lower lobe pneumonia."),
        Ranking("Bilateral pleural effusions.", "Bilateral pleural effusions.", "Right pleural effusion."),
        Ranking("Left apical pneumothorax.", "Left pneumothorax.", "Right pneumothorax."),
        Ranking("Left clavicle fracture.", "Left clavicle fracture.", "Left rib fracture."),
    ],
    "measurement": [
        Ranking("A 2.0 cm nodule in the left upper lobe.", "A 2.1 cm nodule in the left upper lobe.", "A 4.5 cm nodule in the left upper lobe."),
        Ranking("A 2.0 cm nodule in the left upper lobe.", "A 20 mm nodule in the left upper lobe.", "A 20 cm nodule in the left upper lobe."),
        Ranking("A 2.0 cm nodule in the left upper lobe.", "A 2.6 cm nodule in the left upper lobe.", "A 5 cm nodule in the left upper lobe."),
        Ranking("ET tube 4 cm above the carina.", "ET tube 4.5 cm above the carina.", "ET tube 0.5 cm above the carina."),
        Ranking("Small right effusion.", "Trace right effusion.", "Large right effusion."),
        Ranking("Mild cardiomegaly.", "Moderate cardiomegaly.", "Severe cardiomegaly."),
        Ranking("A 2.0 cm nodule in the left upper lobe.", "A nodule in the left upper lobe.", "A 6 cm nodule in the left upper lobe."),
        Ranking("Right apical pneumothorax measuring 1 cm.", "Right apical pneumothorax measuring 1.2 cm.", "Right apical pneumothorax measuring 4 cm."),
    ],
    "diagnostic precision": [
        Ranking("Right upper lobe cavitary mass.", "Right upper lobe mass with cavitation.", "Right upper lobe mass."),
        Ranking("Fullness of both hila, consistent with enlarged nodes.", "Bilateral hilar adenopathy.", "Prominent pulmonary arteries, no hilar adenopathy."),
        Ranking("Upper lobe scarring. Old TB is likely.", "Upper lobe scarring, sequelae of tuberculosis.", "Active tuberculosis."),
        Ranking("Right lower lobe pneumonia.", "Right lower lobe pneumonia.", "Right lower lobe opacity."),
        Ranking("Right lower lobe pneumonia.", "Right lower lobe consolidation.", "Right lower lobe atelectasis."),
        Ranking("Right lower lobe pneumonia.", "Right lower lobe opacity.", "Right lower lobe mass."),
        Ranking("Opacity in the left base, atelectasis versus pneumonia.", "Opacity in the left base may represent atelectasis or pneumonia.", "Pneumonia in the left base."),
        Ranking("Left upper lobe mass.", "Left upper lobe nodule.", "Left upper lobe opacity."),
        Ranking("Pulmonary edema.", "Pulmonary vascular congestion.", "Pneumonia."),
        Ranking("Left pleural effusion.", "Blunting of the left costophrenic angle.", "Left pneumothorax."),
        Ranking("Possible small left pneumothorax.", "Possible small left pneumothorax.", "Small left pneumothorax."),
        Ranking("Right IJ central venous catheter.", "Right IJ central venous catheter.", "Support tube in place."),
        Ranking("Widened mediastinum.", "Widened mediastinum.", "Cardiomegaly. The mediastinum is normal."),
        Ranking("Borderline cardiomegaly.", "Mild cardiomegaly.", "Severe cardiomegaly."),
        Ranking("Right effusion with empyema.", "Loculated right effusion.", "Right pleural thickening."),
        Ranking("Left basilar opacity.", "Left basilar atelectasis.", "Left basilar pneumothorax."),
        Ranking("Loculated left effusion.", "Loculated left effusion.", "Left effusion."),
    ],
    "clinical significance": [
        Ranking("Central line tip in the right atrium. New right pneumothorax. Cardiomegaly. Left effusion.", "New right pneumothorax.", "Central line tip in the right atrium. Cardiomegaly. Left effusion."),
        Ranking("Large right pneumothorax. Scoliosis.", "Large right pneumothorax.", "Scoliosis."),
        Ranking("Free air under the diaphragm. Calcified granuloma.", "Free air under the diaphragm.", "Calcified granuloma."),
        Ranking("Endotracheal tube in the right main bronchus. Mild cardiomegaly.", "Endotracheal tube in the right main bronchus.", "Mild cardiomegaly. Endotracheal tube in appropriate position."),
        Ranking("Large left effusion. Tiny right effusion.", "Large left effusion.", "Tiny right effusion."),
        Ranking("Right upper lobe mass. Degenerative changes of the spine. Hiatal hernia.", "Right upper lobe mass.", "Degenerative changes of the spine. Hiatal hernia."),
        Ranking("Tension pneumothorax on the left. Old rib fractures. Low lung volumes.", "Tension pneumothorax on the left.", "Old rib fractures. Low lung volumes."),
        Ranking(NORMAL, NORMAL + " Hiatal hernia.", NORMAL + " Pneumomediastinum."),
        Ranking(NORMAL, NORMAL + " Old healed rib fracture.", NORMAL + " Acute rib fracture."),
        Ranking("ET tube in good position. Lungs are clear.", "Lungs are clear.", "ET tube in the right main bronchus. Lungs are clear."),
        Ranking("Pneumothorax. Granuloma. Scoliosis. Hiatal hernia.", "Pneumothorax.", "Granuloma. Scoliosis. Hiatal hernia."),
        Ranking("Possible pneumonia. Scoliosis. Granuloma. Hiatal hernia. Clips.", "Possible pneumonia.", "Scoliosis. Granuloma. Hiatal hernia. Clips."),
        Ranking("Right ventricular lead fractured. Mild cardiomegaly.", "Fractured right ventricular lead.", "Mild cardiomegaly."),
        Ranking("Tension pneumothorax on the right.", "Large right pneumothorax with shift to the left.", "Right pneumothorax."),
        Ranking("Chronic blunting of the left costophrenic angle.", NORMAL, "Large left pleural effusion."),
    ],
    "partial credit": [
        Ranking("Small left pleural effusion.", "Small right pleural effusion.", NORMAL),
        Ranking("Small left pleural effusion.", "Moderate left pleural effusion.", NORMAL),
        Ranking("Cardiomegaly. Left effusion.", "Cardiomegaly.", NORMAL),
        Ranking("Cardiomegaly. Left effusion.", "Cardiomegaly. Left effusion.", "Cardiomegaly."),
        Ranking("Right lower lobe pneumonia.", "Right lower lobe opacity.", NORMAL),
        Ranking("Large left pneumothorax.", "Left pneumothorax.", "Right pneumothorax."),
        Ranking("Tiny left pneumothorax.", "Small left pneumothorax.", "Large right pneumothorax with mediastinal shift."),
        Ranking("Left effusion. Cardiomegaly. Pulmonary edema.", "Left effusion. Cardiomegaly.", "Left effusion."),
        Ranking("Left effusion has decreased.", "Left effusion.", "Left effusion has increased."),
    ],
    "practicality": [
        Ranking("Left effusion. Cardiomegaly.", "IMPRESSION: Left effusion and cardiomegaly.", "IMPRESSION: Left effusion."),
        Ranking("Left effusion.", "Left effusion. Left effusion. Recommend clinical correlation.", "Left effusion. Cardiomegaly. Recommend clinical correlation."),
        Ranking("Stable cardiomegaly.", "Cardiomegaly.", "New cardiomegaly."),
        Ranking("Left effusion.", "Left effusion.", "New left effusion, increased since the prior study."),
        Ranking("Monitoring leads overlie the chest. Left effusion.", "Left effusion.", "Monitoring leads overlie the chest."),
        Ranking("ET tube 4 cm above the carina. Lungs are clear.", "The ET tube is in good position. Lungs are clear.", "The ET tube should be withdrawn by 3 cm. Lungs are clear."),
        Ranking("Right lower lobe opacity. Follow-up is recommended.", "Right lower lobe opacity.", "Follow-up is recommended. The lungs are clear."),
        Ranking("Left lower lobe nodule.", "Left lower lobe nodule. No left lower lobe consolidation.", "Left lower lobe nodule. No lung nodule."),
    ],
}  # fmt: skip
