"""Video files: decoding, encoding and muxing. Only this package imports PyAV.

A frame's way from one file to the other:

1. `probe` reads the header and decodes one frame: format, timing, color tags, other streams (`VideoInfo`).
2. `demux` and `decode` give decoded frames, skipping what is damaged; `pixel_formats` extracts the luma plane of one;
   `reader` puts both together and yields a `Frame`: luma and timestamp.
3. The colorized planes (Y′, Cb, Cr) go to `segments`: encoded by what `encode` chose (`EncoderSpec`), they become
   files of packets that an interrupted run can continue from.
4. `mux` writes the output from these segments and the source's other streams: `stream_plan` decides what is copied,
   converted or left out, `stream_packets` makes their packets, with `subtitle_text` and `metadata`. `matroska` writes
   into the finished header what PyAV cannot.

`rgb` gives frames as RGB instead, for evaluation and exemplars; `encoder_support` tries which encoders work.
"""
