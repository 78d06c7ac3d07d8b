"""What the tests with a real engine share."""

import pytest
from engines import Town, free_port, mosquitto


@pytest.fixture
def town(tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port):
        town = Town(tmp_path, port)
        try:
            yield town
        finally:
            town.close()
