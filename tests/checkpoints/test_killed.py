"""A process that is killed while it saves or converts leaves the old file, or none."""

import subprocess
import sys

KILL = """
import os, random, signal, sys, time
from pathlib import Path
import torch
import latentedit as le
from latentedit.checkpoints import convert

torch.set_num_threads(1)
folder, checkpoint = Path(sys.argv[2]), le.load_checkpoint(sys.argv[1])
saved, converted = folder / "out.safetensors", folder / "out.pt"
begun = 0
for seed in range(60):
    if seed >= 12 and begun and saved.exists() and converted.exists():
        break
    if not (child := os.fork()):
        while True:
            le.save_generator(saved, checkpoint.generator)
            convert(checkpoint, converted, "rosinality-pt", torch.float32)
    time.sleep(random.Random(seed).uniform(0.02, 0.3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    begun += len(list(folder.glob(".out*")))
    for out in (saved, converted):
        if out.exists():
            assert le.load_checkpoint(out).fingerprint == checkpoint.fingerprint
num_files = saved.exists() + converted.exists()
le.save_generator(saved, checkpoint.generator)
convert(checkpoint, converted, "rosinality-pt", torch.float32)
print(num_files, begun, len(list(folder.glob(".out*"))))
"""


def test_a_killed_save_or_conversion_leaves_a_whole_file_or_none(data, tmp_path):
    command = [sys.executable, "-c", KILL, str(data / "stylegan2-64.pkl"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    num_files, num_begun, num_left = map(int, done.stdout.split())
    assert num_files == 2
    assert num_begun > 0  # some were killed amid their writing
    assert num_left == 0  # what they had begun is swept by the next save
