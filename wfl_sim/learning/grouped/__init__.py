"""Updates and evaluations of many devices in one pass over the network that they share.

The batches of all devices are one batch for every frozen layer. What a device trains is a slice of
a stack, and the layers that hold it multiply each device's rows with its own slice. The loss is the
sum of the devices' mean losses, so no gradient crosses from one to another, and one optimiser over
stacks does to every slice what the device's own would do: it works element by element.
"""
