"""A Spark session on this machine, made when a notebook first uses one."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import shell

RELEASES = [(17, "4.0.1"), (8, "3.5.7")]
"""The least version of Java, and the newest release of Spark that runs on it."""

TABLES = "tables"
WAREHOUSE = "user/hive/warehouse"
FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".orc": "orc"}


class SparkMissing(Exception):
    """There is no Spark here, and how to have it."""


class LazySpark:
    """Stands for `spark` until a cell names it; code of libraries that holds it makes the session on its first use."""

    NAMES = ("spark", "sc", "sqlContext")

    def __init__(self, spark, name):
        self.__dict__.update(_spark=spark, _name=name)

    def __getattr__(self, attribute):
        return getattr(self._spark.named(self._name), attribute)


class Spark:
    """Spark of this machine, over the files of DBFS."""

    def __init__(self, dbfs_root, packages):
        self._root = dbfs_root
        self._packages = packages
        self._session = None

    def named(self, name):
        session = self.session()
        return session.sparkContext if name == "sc" else session

    def session(self):
        if self._session is None:
            java, version = find_java()
            os.environ["JAVA_HOME"] = java
            # Its workers are to be the Python of the notebook.
            os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
            self._bring(next(release for least, release in RELEASES if version >= least))
            self._session = self._start()
            self._register_tables()
        return self._session

    def _bring(self, release):
        try:
            import pyspark  # noqa: F401
        except ImportError:
            folder = os.path.join(self._packages, f"spark-{release}")
            if not os.path.isdir(folder):
                install(release, folder)
            sys.path.append(folder)
            # Workers are processes of their own.
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))

    def _start(self):
        from pyspark.sql import SparkSession

        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": "dbfs:/" + WAREHOUSE,
            # Paths without a scheme are of DBFS, as they are on a cluster, and DBFS is a folder.
            "spark.hadoop.fs.defaultFS": "dbfs:///",
            "spark.hadoop.fs.dbfs.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
            "spark.hadoop.fs.viewfs.overload.scheme.target.dbfs.impl": "org.apache.hadoop.fs.LocalFileSystem",
            "spark.hadoop.fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
            "spark.hadoop.fs.viewfs.mounttable.default.linkFallback": "file://" + self._root,
        }
        builder = SparkSession.builder.master("local[*]").appName("notebook")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        return session

    def _register_tables(self):
        """Files under /tables of DBFS are tables: `people.csv` is `people`, and `sales/orders.parquet` `sales.orders`."""
        for schema, name, path in [*tables_in(self._root, TABLES), *tables_in(self._root, WAREHOUSE)]:
            kind = FORMATS.get(os.path.splitext(path)[1].lower(), "parquet")
            options = "OPTIONS (header 'true', inferSchema 'true')" if kind == "csv" else ""
            if schema != "default":
                self._session.sql(f"CREATE DATABASE IF NOT EXISTS `{schema}`")
            self._session.sql(
                f"CREATE TABLE IF NOT EXISTS `{schema}`.`{name}` USING {kind} {options} LOCATION 'dbfs:/{path}'"
            )


def tables_in(root, folder):
    """Schema, name and path of each table in a folder of DBFS."""
    for entry in _entries(root, folder):
        path = f"{folder}/{entry}"
        stem, extension = os.path.splitext(entry)
        if extension.lower() in FORMATS or _has_files(root, path):
            yield "default", stem, path
        else:
            schema = stem if extension == ".db" else entry
            for inner in _entries(root, path):
                yield schema, os.path.splitext(inner)[0], f"{path}/{inner}"


def _entries(root, folder):
    whole = os.path.join(root, folder)
    names = sorted(os.listdir(whole)) if os.path.isdir(whole) else []
    return [name for name in names if not name.startswith((".", "_"))]


def _has_files(root, folder):
    """Whether a folder is the table that Spark has written, rather than one of tables."""
    return any(name.startswith("part-") for name in _entries(root, folder))


def find_java():
    """The folder of a Java that Spark can run on, and its version: the newest fit one of those named and found."""
    named = [os.environ.get("JAVA_HOME")]
    on_path = shutil.which("java")
    usual = [os.path.join("/usr/lib/jvm", name) for name in _entries("/", "usr/lib/jvm")]
    helper = "/usr/libexec/java_home"
    if os.path.exists(helper):
        usual.append(subprocess.run([helper], capture_output=True, text=True, check=False).stdout.strip())
    if on_path:
        named.append(os.path.dirname(os.path.dirname(os.path.realpath(on_path))))
    for folder in filter(None, [*named, *usual]):
        version = version_of(folder)
        if version >= RELEASES[-1][0]:
            return folder, version
    raise SparkMissing(
        "The notebook uses Spark, which needs Java 17 or later. Install it (Debian: apt install openjdk-17-jre-headless; "
        "macOS: brew install openjdk@17), or name its folder in JAVA_HOME."
    )


def version_of(folder):
    """The major version of the Java in a folder; 0 where there is none that runs."""
    java = os.path.join(folder, "bin", "java.exe" if os.name == "nt" else "java")
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else 0


def install(release, folder):
    """Brings Spark beside the Python that runs notebooks, once; nobody ever sees half of it."""
    print(f"Spark {release} is not on this machine yet: installing it takes some minutes.")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    unfinished = tempfile.mkdtemp(dir=os.path.dirname(folder))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        if shell.follow([*command, "--target", unfinished, f"pyspark=={release}"]) != 0:
            raise SparkMissing(
                f"The notebook uses Spark, and pyspark {release} could not be installed. What pip said is in the cell's "
                f"output. To bring it yourself: {sys.executable} -m pip install pyspark=={release}"
            )
        os.rename(unfinished, folder)
    except OSError:
        if not os.path.isdir(folder):  # another run may have been faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
