"""The manifests of a guide that a user had read, as it shows them; it configures MetalLB by a ConfigMap."""

from textwrap import dedent

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: metallb-system
  name: config
data:
  config: |
    address-pools:
    - name: default
      protocol: layer2
      addresses:
      - 192.168.1.200-192.168.1.210
"""
TWO_POOLS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: metallb-system
  name: config
data:
  config: |
    address-pools:
    - name: production
      protocol: layer2
      addresses:
      - 192.168.1.200-192.168.1.205
    - name: development
      protocol: layer2
      addresses:
      - 192.168.1.206-192.168.1.210
"""
SEPARATE_POOLS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: metallb-system
  name: config
data:
  config: |
    address-pools:
    - name: production
      protocol: layer2
      addresses:
      - 192.168.1.200-192.168.1.205
    - name: staging
      protocol: layer2
      addresses:
      - 192.168.1.206-192.168.1.208
    - name: development
      protocol: layer2
      addresses:
      - 192.168.1.209-192.168.1.210
"""
# The list alone, as the guide shows it too.
POOLS_ALONE = dedent(SEPARATE_POOLS.partition("  config: |\n")[2])
WEB_PROD = """\
apiVersion: v1
kind: Service
metadata:
  name: web-prod
  annotations:
    metallb.universe.tf/address-pool: production
spec:
  type: LoadBalancer
  selector:
    app: web
  ports:
  - port: 80
"""
TO_8080 = """\
apiVersion: v1
kind: Service
metadata:
  name: web-service
spec:
  type: LoadBalancer
  selector:
    app: web
  ports:
  - port: 80
    targetPort: 8080
"""
WEB_SERVICE = TO_8080.replace("8080", "80")  # where the tests' pods listen
CLUSTER_IP = """\
apiVersion: v1
kind: Service
metadata:
  name: backend-service
spec:
  type: ClusterIP
  selector:
    app: backend
  ports:
  - port: 8080
    targetPort: 8080
"""
NODE_PORT = """\
apiVersion: v1
kind: Service
metadata:
  name: web-service
spec:
  type: NodePort
  selector:
    app: web
  ports:
  - port: 80
    targetPort: 80
    nodePort: 30080  # Port entre 30000-32767
"""
DEPLOYMENT_NGINX = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nginx-lb-test
spec:
  replicas: 3
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx:alpine
        ports:
        - containerPort: 80
"""
NGINX_LB = """\
apiVersion: v1
kind: Service
metadata:
  name: nginx-lb
spec:
  type: LoadBalancer
  selector:
    app: nginx
  ports:
  - port: 80
    targetPort: 80
"""
STICKY = """\
apiVersion: v1
kind: Service
metadata:
  name: nginx-lb-sticky
spec:
  type: LoadBalancer
  sessionAffinity: ClientIP
  sessionAffinityConfig:
    clientIP:
      timeoutSeconds: 3600  # 1 heure
  selector:
    app: nginx
  ports:
  - port: 80
"""
