"""Pages for patients and clinicians."""
