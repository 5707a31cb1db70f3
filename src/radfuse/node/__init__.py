"""The node beside an Orthanc: patients in, jobs made by rules, results back and forwarded."""
