"""Pictures and pages: overlays, contact sheets, curves, the HTML report. No TensorFlow here."""
