"""Parts of signed_detail: local contrast of the CT, its significance, and the skull."""
