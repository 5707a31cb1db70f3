"""What a user of SimpleITK would write: centre start, mutual information, alpha blend.

    python benchmarks/simple_itk_script.py CT MR OUT

Writes `OUT/fused.nii.gz`, `OUT/mr_on_ct.nii.gz` and `OUT/mr_from_ct.tfm`. A program of
`whole_commands.py`; `calibration_peers.py` has its registration, too.
"""

import argparse
from pathlib import Path

import SimpleITK as sitk


def registered(ct: sitk.Image, mr: sitk.Image) -> sitk.Transform:
    """The rigid transform from CT to MR by SimpleITK as its examples register a CT and an MR.

    From the centres of the volumes, 50 bins, 1 % of the voxels, gradient descent with scales from
    physical shifts, shrink factors 4, 2, 1; CT fixed.
    """
    start = sitk.CenteredTransformInitializer(
        ct, mr, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.01, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsGradientDescent(
        learningRate=1.0,
        numberOfIterations=100,
        convergenceMinimumValue=1e-6,
        convergenceWindowSize=10,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(ct, mr)


def main() -> None:
    """Register, resample, blend and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("ct", "mr", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    given.out.mkdir()
    ct, mr = (sitk.ReadImage(str(path), sitk.sitkFloat32) for path in (given.ct, given.mr))
    transform = registered(ct, mr)
    on_ct = sitk.Resample(mr, ct, transform, sitk.sitkLinear, 0.0)
    windowed = sitk.IntensityWindowing(ct, -160, 240, 0, 255)
    fused = sitk.Cast((windowed + sitk.RescaleIntensity(on_ct, 0, 255)) / 2, sitk.sitkUInt8)
    sitk.WriteImage(fused, str(given.out / "fused.nii.gz"), useCompression=True)
    sitk.WriteImage(on_ct, str(given.out / "mr_on_ct.nii.gz"), useCompression=True)
    sitk.WriteTransform(transform, str(given.out / "mr_from_ct.tfm"))


if __name__ == "__main__":
    main()
