"""Read PET and SPECT: units and corrections, times and SUV, frames of a volume."""
