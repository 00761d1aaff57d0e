// A root file system made ready for a command, and given back afterwards (private).
#pragma once

namespace cooper::build::sandbox {

class RootPlace {
public:
    virtual ~RootPlace() = default;
    /// Everything that the command is to find. Descriptors are valid until let_go().
    virtual void make_ready() = 0;
    /// When the command has been started: descriptors that would keep mounts from going with it.
    virtual void let_go() = 0;
    /// After the command, when nothing of it runs any more: all but what it changed in the root is undone (Stubs go
    /// afterwards).
    virtual void take_back() = 0;

    [[nodiscard]] virtual int root() const noexcept = 0;
    /// To mount a new proc on; -1: nothing is to be mounted.
    [[nodiscard]] virtual int proc() const noexcept = 0;
    [[nodiscard]] virtual int working_directory() const noexcept = 0;
};

}  // namespace cooper::build::sandbox
