"""Other packages on one recording after another. Runs in their environment, not in ours.

python peers_run.py FOLDER: every FOLDER/SET/ID.npz (time_s, accel and vertical in m/s2, rate_hz)
becomes FOLDER/PACKAGE/SET/ID.json in the form that the corpus' scorer reads; last a line of JSON
with their versions and the processor time that each took.
"""

import json
import sys
import time
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from mobgap.gait_sequences import GsdAdaptiveIonescu
from mobgap.initial_contacts import IcdIonescu
from skdh.sit2stand import Sit2Stand

START_S = 1_700_000_000.0
"""skdh wants times of the calendar."""


def mobgap(data):
    """Gait sequences by GsdAdaptiveIonescu, initial contacts in each by IcdIonescu."""
    rate_hz = float(data["rate_hz"])
    # neither method looks at the gyroscope, but both want its columns
    frame = pd.DataFrame(data["accel"], columns=["acc_x", "acc_y", "acc_z"])
    frame[["gyr_x", "gyr_y", "gyr_z"]] = 0.0
    body = pd.DataFrame({"acc_is": data["vertical"]})
    body[["acc_ml", "acc_pa", "gyr_is", "gyr_ml", "gyr_pa"]] = 0.0
    bouts, walking = [], np.zeros(int(len(frame) / rate_hz), bool)
    sequences = GsdAdaptiveIonescu().detect(frame, sampling_rate_hz=rate_hz)
    for _, row in sequences.gs_list_.iterrows():
        start, end = int(row["start"]), int(row["end"])
        part = body.iloc[start:end].reset_index(drop=True)
        contacts = IcdIonescu().detect(part, sampling_rate_hz=rate_hz)
        steps_s = (start + contacts.ic_list_["ic"].to_numpy(float)) / rate_hz
        bout = {"start_s": start / rate_hz, "end_s": end / rate_hz}
        bouts.append({**bout, "step_times_s": steps_s.tolist()})
        walking[round(start / rate_hz) : round(end / rate_hz)] = True
    return {
        "timeline": {
            "time_s": (np.arange(len(walking)) + 0.5).tolist(),
            "posture": ["walking" if w else "standing" for w in walking],
        },
        "walking_bouts": bouts,
    }


def skdh(data, still=True):
    """Rises by Sit2Stand, its stillness constraint on or off."""
    found = Sit2Stand(stillness_constraint=still).predict(
        time=data["time_s"] + START_S, accel=data["accel"] / 9.80665, tz_name="UTC"
    )
    starts_s = np.atleast_1d(found["STS Start"]) - START_S
    ends_s = starts_s + np.atleast_1d(found["Duration"])
    return {
        "movements": [
            {"kind": "sit_to_stand", "start_s": float(start_s), "end_s": float(end_s)}
            for start_s, end_s in zip(starts_s, ends_s, strict=True)
            if np.isfinite(end_s)
        ]
    }


RUNS = {
    "mobgap": (mobgap, ("HAPT", "Voisard")),
    "skdh": (skdh, ("HAPT",)),
    "skdh_moving": (partial(skdh, still=False), ("HAPT",)),
}


def main(folder):
    spent = {}
    for name, (run, sets) in RUNS.items():
        begun = time.process_time()
        for source in sorted(path for part in sets for path in (folder / part).glob("*.npz")):
            try:
                answer = run(np.load(source))
            except Exception as error:  # what they cannot answer is no answer
                print(f"{name} {source.stem}: {error!r}", file=sys.stderr)
                continue
            target = folder / name / source.parent.name / f"{source.stem}.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(answer))
        spent[name] = round(time.process_time() - begun, 1)
    versions = {name: version(name) for name in ("mobgap", "scikit-digital-health")}
    print(json.dumps({"versions": versions, "cpu_s": spent}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
