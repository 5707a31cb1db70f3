"""The only room where reading, registering, resampling, scaling, fusing and writing meet."""
