"""The examples of connector-sdk/python/README.md: the connector as a process, and its test as it stands there."""

import base64
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support


def blocks():
    with open(os.path.join(support.SDK, "README.md"), encoding="utf-8") as file:
        return re.findall(r"```python\n(.*?)```", file.read(), re.S)


class Readme(support.ConnectorTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.connector, self.test = blocks()
        self.write("thumbnail.py", self.connector)
        self.write("convert", '#!/bin/sh\ncat "$1" > out.png\n', 0o755)  # stands for ImageMagick's

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_the_connector_is_short_and_makes_thumbnails(self):
        self.assertLessEqual(len([line for line in self.connector.splitlines() if line.strip()]), 32)
        process = self.started(support.Process([sys.executable, os.path.join(self.folder, "thumbnail.py")],
                                               env={"PATH": self.folder + ":/usr/bin:/bin"}))
        self.assertEqual(process.wait("ready")["job_types"], ["thumbnail"])
        process.job({"image": base64.b64encode(b"a picture").decode(), "width": 64})
        end = process.wait("result", "failed")
        self.assertEqual(end.get("result"), {"status": "success", "picture": {"$file": 0}})
        self.assertEqual(end["files"], [{"path": "out.png", "mime_type": "image/png"}])
        process.job({"image": "&&"}, job_id="2")
        self.assertEqual(process.wait("failed")["error"]["code"], "invalid_payload")

    def test_its_test_passes(self):
        tool = self.write("fake-convert", "#!/bin/sh\n: > out.png\n", 0o755)
        self.write("thumbnail_test.py", self.test.replace("./fake-convert", tool))
        done = subprocess.run([sys.executable, "-m", "unittest", "thumbnail_test"], cwd=self.folder, capture_output=True,
                              env={"PATH": "/usr/bin:/bin", "PYTHONPATH": support.SDK}, text=True)
        self.assertIn("Ran 2 tests", done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
