"""What a reader calls the networks of the chapter's tables."""

NETWORKS = {"spectral": "tanh on singular values", "plain": "plain factors", "linear": "linear descent from 0"}
CLASSIFIERS = {
    "convolutional": "convolutional, two layers",
    "fully_connected": "fully connected, two layers",
    "linear": "one layer",
}
