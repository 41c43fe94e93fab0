"""Training data: dataset trees and TFRecords in, augmented triplets of frames out."""
