// Files and directories that are there only while a command runs (private): mount points, mostly. What the command
// leaves of them goes afterwards, and nobody can tell from their parents' times that they were there.
#pragma once

#include "cooper/base/files.hpp"

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace cooper::build::sandbox {

class Stubs {
public:
    Stubs() = default;
    Stubs(const Stubs&) = delete;
    Stubs& operator=(const Stubs&) = delete;
    /// Removes what remove() has not.
    ~Stubs();

    /// A directory that goes if it is empty then.
    void make_directory(int parent, const std::string& name);
    enum class Goes { WhenEmpty, Always };
    /// A new file, open for writing. `WhenEmpty`: it stays if somebody has written to it.
    FileDescriptor make_file(int parent, const std::string& name, Goes goes);
    /// A device node. False when we may not make one.
    bool make_device(int parent, const std::string& name, mode_t mode, dev_t device);

    /// By descriptor and inode, never through a path, so that links which the command made lead nowhere. Last one
    /// first. Throws SystemError when something that should go cannot be removed.
    void remove();

private:
    struct Stub {
        FileDescriptor parent;
        std::string name;
        dev_t device;
        ino_t inode;
        bool directory;
        Goes goes;
    };
    void record(int parent, const std::string& name, Goes goes);
    static int remove_one(const Stub& stub);

    std::vector<Stub> stubs_;
};

/// Sets the time of the last change of `directory` back to what it was, when it goes.
class KeepTime {
public:
    explicit KeepTime(int directory);
    KeepTime(const KeepTime&) = delete;
    KeepTime& operator=(const KeepTime&) = delete;
    ~KeepTime();

private:
    int directory_;
    timespec time_{};
};

}  // namespace cooper::build::sandbox
