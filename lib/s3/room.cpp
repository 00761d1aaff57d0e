// placeholder while the room is being furnished
