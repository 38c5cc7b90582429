"""The user's own pictures."""

from keras_css.data.catalogue.entry import Entry

FOLDER = Entry(
    title="pictures in class folders, or in any layout that is known",
    needs_data_dir=True,
)
NPZ = Entry(title="arrays in one .npz file", needs_data_dir=True)
CSV = Entry(
    title="pictures listed in a .csv of path,label[,split]",
    needs_data_dir=True,
)
