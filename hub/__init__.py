"""What every tab shares: devices, memory, queues, limits, provenance and looks. No module here knows a demo."""

import os

# Lectern tells nobody what a class does with it. Both libraries read these when they are imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
