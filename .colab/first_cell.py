# Colab: put this cell in front of a notebook, fill in the address, run it, restart the session, run it once more.
import os
import subprocess
import sys
from pathlib import Path

repository = ""  # address of the git repository to clone
if not repository:
    raise ValueError("got no repository; Colab starts with an empty disk; fill in the address to clone")
checkout = Path("/content/imachsr")
pip = [sys.executable, "-m", "pip", "install", "--quiet"]
if not checkout.exists():
    subprocess.run(["git", "clone", "--depth", "1", repository, str(checkout)], check=True)
subprocess.run([*pip, "--require-hashes", "-r", str(checkout / "requirements.txt")], check=True)
subprocess.run([*pip, "--no-deps", "--editable", str(checkout)], check=True)
os.chdir(checkout / "notebooks")
