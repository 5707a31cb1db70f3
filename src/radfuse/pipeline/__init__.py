"""The one place where reading, registering, resampling, scaling, fusing and writing meet."""
